"""The widget side: what is sent to the page, the bqplot models it draws with, and the page itself in static/."""
