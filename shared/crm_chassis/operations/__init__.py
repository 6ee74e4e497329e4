"""What operators do to a running service: its events again, its parked events, its old rows."""
