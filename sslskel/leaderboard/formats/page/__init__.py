"""Template, style and scripts of the HTML board; ``vendor`` holds libraries under their own licences."""
