"""What keeps a gateway going: start, reload, control, health, housekeeping; used by the wiring."""
