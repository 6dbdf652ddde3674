"""What a method is: the contract between a method and the trainer."""
