"""Connections to Redis or Valkey: pipelining, topologies, pub/sub, durability."""
