"""The script, one file for each class of methods or subject. Each has `play(talk)`; SCRIPT is their order."""

from . import (arguments, channel, confirm, consume, content, dead_letter, exchange, expiry, frames, handshake, limits,
               publish, queue, reply_to, routing, settle, tx)

SCRIPT = [handshake, frames, channel, exchange, routing, queue, arguments, publish, content, consume, settle, confirm, tx,
          expiry, limits, dead_letter, reply_to]
