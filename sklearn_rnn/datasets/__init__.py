"""Small bundled data sets and generators. May import ``sequences``, never torch."""
