"""Generate load from several processes, cheaply enough not to be what is measured."""
