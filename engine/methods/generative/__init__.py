"""Methods that learn how images come about, with the class as one of their causes."""
