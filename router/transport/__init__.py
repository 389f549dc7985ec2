"""The bytes of one socket, to messages and back; knows no tenant and no store."""
