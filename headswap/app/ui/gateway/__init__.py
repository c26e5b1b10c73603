"""What stands in front of the page: who comes in, what goes through, what every answer carries."""
