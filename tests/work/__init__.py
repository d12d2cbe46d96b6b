"""Work under a race: agents that take, do, give back, stall and die."""
