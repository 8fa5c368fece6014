"""Files that hold whole sets, clips with their labels and splits, as the projects of the field write them."""
