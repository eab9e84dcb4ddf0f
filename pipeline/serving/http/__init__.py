"""The server's HTTP side: routes, bodies, limits, the page."""
