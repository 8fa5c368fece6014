"""Pictures of clips: still (PNG), moving (GIF), and a page that plays and turns (HTML)."""
