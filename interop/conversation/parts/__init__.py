"""The script, one file for each class of methods or subject. Each has `play(talk)`; SCRIPT is their order."""

from . import (ages_and_lengths, arguments, channel, confirm, consume, content, dead_letter, deaths, exchange, expiry, frames,
               frameworks, handshake, hashing, limits, overflow, permissions, policy, priority, publish, queue, quorum, reply_to,
               routing, settle, single_active, stream_consumers, streams, timeouts, trace, tx, vhosts)

SCRIPT = [handshake, frames, channel, exchange, routing, queue, arguments, publish, content, consume, settle, confirm, tx,
          expiry, limits, dead_letter, reply_to, overflow, single_active, priority, ages_and_lengths, deaths, quorum, hashing,
          frameworks, timeouts, policy, vhosts, permissions, trace, streams, stream_consumers]
