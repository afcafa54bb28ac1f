"""Who is alive: signs of life, what of it is missing, incidents."""
