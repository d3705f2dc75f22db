"""The fault sweep: a night that is broken at every statement it sends, in every way, and the next night, compared."""
