//! The verbs of a queue that is a stream: what the core does with its journal and its limits, around `queue/stream`.

use std::sync::Arc;

use super::Core;
use crate::message::Message;
use crate::queue::consumers::ConsumerSpec;
use crate::queue::effects::Effects;
use crate::queue::log::{Links, Terms};
use crate::queue::mailbox::Delivery;
use crate::queue::stream::load::Loaded;
use crate::queue::stream::{Stream, Wanted};
use crate::queue::{Outcome, Queue};

impl Core {
    /// What the stream must have beside it.
    fn stream(&mut self) -> Option<&mut Stream> {
        self.stream.as_deref_mut()
    }

    pub(in crate::queue) fn stream_publish(
        &mut self,
        me: &Arc<Queue>,
        messages: impl Iterator<Item = Message>,
        links: &Links,
        now: u64,
        effects: &mut Effects,
    ) {
        let urgency = self.urgency(me);
        let rules = Arc::clone(&self.rules);
        let (Some(stream), Some(log)) = (self.stream.as_deref_mut(), self.log.as_deref_mut())
        else {
            return;
        };
        let before = stream.resident();
        let time = stream.time(now);
        let from = stream.next();
        let terms = Terms {
            now: time,
            ttl_ms: None,
            urgency,
        };
        let mut placing = log.place(me.spec.id, links, terms);
        for message in messages {
            placing.add(stream.next(), &message);
            stream.push(message, time, &rules.retention);
        }
        let behind = placing.finish();
        // What lies in memory alone cannot be read back.
        let is_kept = me.journal.disk().is_some();
        stream.close(from, if is_kept { behind } else { u64::MAX });
        let pushed = stream.resident().saturating_sub(before);
        self.note_pushed(pushed, effects);
        self.stream_attend(me, now, effects);
    }

    /// What every verb ends with: what is on disk by now is delivered, the oldest segments leave, the pager is asked.
    pub(in crate::queue) fn stream_attend(
        &mut self,
        me: &Arc<Queue>,
        now: u64,
        effects: &mut Effects,
    ) {
        if let Some(stream) = self.stream()
            && stream.commit(&me.journal)
        {
            stream.serve_all(me, effects);
        }
        self.stream_trim(me, now, effects);
    }

    fn stream_trim(&mut self, me: &Arc<Queue>, now: u64, effects: &mut Effects) {
        let (Some(stream), Some(log)) = (self.stream.as_deref_mut(), self.log.as_deref_mut())
        else {
            return;
        };
        let (before, _) = stream.range();
        let gone = stream.retain(&self.rules.retention, now, effects);
        if gone > 0 {
            log.settled_range(before..before + gone);
            // Whoever waited for what is gone goes on behind it.
            stream.serve_all(me, effects);
        }
        self.ready = usize::try_from(stream.count()).unwrap_or(usize::MAX);
        stream.trim_tail(me.journal.written_position(), false, &mut effects.garbage);
        stream.ask(effects);
        if let Some(at) = stream.next_deadline(&self.rules.retention)
            && at < self.armed
        {
            self.armed = at;
            effects.deadline = Some(at);
        }
    }

    /// What a reader waited for has come from disk.
    pub(in crate::queue) fn stream_install(
        &mut self,
        me: &Arc<Queue>,
        loaded: &mut Loaded,
        now: u64,
        effects: &mut Effects,
    ) {
        if let Some(stream) = self.stream() {
            stream.answered(false);
            stream.commit(&me.journal);
            if let Some(reader) = stream.install(loaded, now) {
                stream.serve(reader, me, effects);
            }
        }
        self.stream_trim(me, now, effects);
    }

    pub(in crate::queue) fn stream_tick(
        &mut self,
        me: &Arc<Queue>,
        now: u64,
        effects: &mut Effects,
    ) {
        if self.armed <= now {
            self.armed = crate::queue::expiry::NEVER;
        }
        if let Some(stream) = self.stream() {
            stream.answer();
            stream.commit(&me.journal);
            // The journal may have rung for an earlier append than the last.
            stream.listen(&me.journal);
            stream.serve_all(me, effects);
            effects.dying |= stream.is_dying();
        }
        self.stream_trim(me, now, effects);
    }

    pub(in crate::queue) fn stream_consume(
        &mut self,
        me: &Queue,
        spec: ConsumerSpec,
        wanted: &Wanted,
        tag: &str,
        now: u64,
    ) -> Result<u32, String> {
        self.had_consumer = true;
        let (Some(stream), Some(log)) = (self.stream.as_deref_mut(), self.log.as_deref()) else {
            return Err("it is deleted".to_owned());
        };
        stream.consume(spec, wanted, tag, &log.ledger, &me.journal, now)
    }

    pub(in crate::queue) fn stream_resume(
        &mut self,
        me: &Arc<Queue>,
        numbers: impl Iterator<Item = u32>,
        channel: bool,
        effects: &mut Effects,
    ) {
        if let Some(stream) = self.stream() {
            stream.commit(&me.journal);
            let mut some = false;
            for number in numbers {
                some = true;
                if let Some(reader) = stream.resume(number, channel) {
                    stream.serve(reader, me, effects);
                }
            }
            // Whoever is new has not been named.
            if !some {
                stream.serve_all(me, effects);
            }
            stream.ask(effects);
        }
    }

    pub(in crate::queue) fn stream_cancel(
        &mut self,
        me: &Arc<Queue>,
        number: u32,
        now: u64,
        effects: &mut Effects,
    ) {
        if let Some(stream) = self.stream() {
            stream.cancel(number);
            stream.serve_all(me, effects);
        }
        self.stream_trim(me, now, effects);
    }

    pub(in crate::queue) fn stream_settle(
        &mut self,
        me: &Arc<Queue>,
        keys: &[u64],
        outcome: Outcome,
        effects: &mut Effects,
    ) {
        if let Some(stream) = self.stream() {
            stream.commit(&me.journal);
            for reader in stream.settle(keys, outcome, effects) {
                stream.serve(reader, me, effects);
            }
            stream.ask(effects);
        }
    }

    pub(in crate::queue) fn stream_unsend(
        &mut self,
        me: &Arc<Queue>,
        number: u32,
        deliveries: impl Iterator<Item = Delivery>,
        effects: &mut Effects,
    ) {
        if let Some(stream) = self.stream()
            && let Some(reader) = stream.unsend(number, deliveries)
        {
            stream.serve(reader, me, effects);
            stream.ask(effects);
        }
    }
}
