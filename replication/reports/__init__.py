"""What a day was like: computed from what is kept, for any day."""
