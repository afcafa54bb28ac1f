"""The control surface: what tests and demos change behind everyone's back."""
