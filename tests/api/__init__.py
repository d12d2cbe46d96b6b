"""HTTP, over real sockets: what is asked, what is answered, and what is never answered."""
