"""A small company to try the platform with: made up here, taken in through the gateway."""
