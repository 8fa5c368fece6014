"""Reading recordings out of archives and folders, in pieces and by several processes."""
