"""Points on a plane or in a cube, one file a method: features in, coordinates out.

scikit-learn, openTSNE, umap-learn and PaCMAP do the work. They are imported when they are used: together they take
seconds, and UMAP and PaCMAP are compiled at first use.
"""
