//! The fields of every method, as one table, and a check of a method's bytes against it: lengths first, then UTF-8, then
//! tables, in RabbitMQ's order. It never recurses and never allocates.

use super::id::*;
use crate::wire::cursor::Cursor;
use crate::wire::reply::Reply;
use crate::wire::table;

/// A method's fields, one letter each: `o` octet (bits share one), `h` short, `w` long, `q` long long, `s` short string,
/// `S` long string, `T` table.
fn fields(id: u32) -> Option<&'static str> {
    Some(match id {
        CONNECTION_START => "ooTSS",
        CONNECTION_START_OK => "TsSs",
        CONNECTION_SECURE | CONNECTION_SECURE_OK => "S",
        CONNECTION_TUNE | CONNECTION_TUNE_OK => "hwh",
        CONNECTION_OPEN => "sso",
        CONNECTION_OPEN_OK | CONNECTION_BLOCKED => "s",
        CONNECTION_CLOSE | CHANNEL_CLOSE => "hshh",
        CONNECTION_UPDATE_SECRET => "Ss",
        CHANNEL_OPEN => "s",
        CHANNEL_OPEN_OK => "S",
        CHANNEL_FLOW | CHANNEL_FLOW_OK => "o",
        ACCESS_REQUEST => "so",
        ACCESS_REQUEST_OK => "h",
        EXCHANGE_DECLARE => "hssoT",
        EXCHANGE_DELETE => "hso",
        EXCHANGE_BIND | EXCHANGE_UNBIND => "hsssoT",
        QUEUE_DECLARE => "hsoT",
        QUEUE_DECLARE_OK => "sww",
        QUEUE_BIND => "hsssoT",
        QUEUE_PURGE | QUEUE_DELETE => "hso",
        QUEUE_PURGE_OK | QUEUE_DELETE_OK => "w",
        QUEUE_UNBIND => "hsssT",
        BASIC_QOS => "who",
        BASIC_CONSUME => "hssoT",
        BASIC_CONSUME_OK | BASIC_CANCEL_OK | BASIC_GET_EMPTY => "s",
        BASIC_CANCEL => "so",
        BASIC_PUBLISH => "hsso",
        BASIC_RETURN => "hsss",
        BASIC_DELIVER => "sqoss",
        BASIC_GET => "hso",
        BASIC_GET_OK => "qossw",
        BASIC_ACK | BASIC_REJECT | BASIC_NACK => "qo",
        BASIC_RECOVER | BASIC_RECOVER_ASYNC | CONFIRM_SELECT => "o",
        CONNECTION_CLOSE_OK
        | CONNECTION_UNBLOCKED
        | CONNECTION_UPDATE_SECRET_OK
        | CHANNEL_CLOSE_OK
        | EXCHANGE_DECLARE_OK
        | EXCHANGE_DELETE_OK
        | EXCHANGE_BIND_OK
        | EXCHANGE_UNBIND_OK
        | QUEUE_BIND_OK
        | QUEUE_UNBIND_OK
        | BASIC_QOS_OK
        | BASIC_RECOVER_OK
        | CONFIRM_SELECT_OK
        | TX_SELECT
        | TX_SELECT_OK
        | TX_COMMIT
        | TX_COMMIT_OK
        | TX_ROLLBACK
        | TX_ROLLBACK_OK => "",
        _ => return None,
    })
}

/// Classes of AMQP 0-8 and 0-9 that no RabbitMQ ever offered.
fn never_offered(class: u16) -> Option<&'static str> {
    Some(match class {
        70 => "file",
        80 => "stream",
        100 => "dtx",
        110 => "tunnel",
        120 => "message",
        _ => return None,
    })
}

/// Checks the fields of a method; `bytes` is what follows the method id.
pub(super) fn check(id: u32, bytes: &[u8]) -> Result<(), Reply> {
    let (class, method) = ((id >> 16) as u16, id as u16);
    let Some(signature) = fields(id) else {
        return Err(match never_offered(class) {
            Some(name) => Reply::not_offered(class, method, name),
            None => Reply::unknown_method(class, method),
        });
    };
    if walk(signature, bytes, |_, _| Ok(()))?.is_none() {
        return Err(Reply::cannot_decode(class, method, bytes));
    }
    walk(signature, bytes, |kind, value| {
        if kind == b's' && std::str::from_utf8(value).is_err() {
            return Err(Reply::malformed_utf8());
        }
        Ok(())
    })?;
    walk(signature, bytes, |kind, value| {
        if kind == b'T' {
            table::check(value, true).map_err(|fault| Reply::bad_table(class, method, fault))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Shows every field to `see`; `None` when the bytes end too early or too late.
fn walk<'a>(
    signature: &str,
    bytes: &'a [u8],
    mut see: impl FnMut(u8, &'a [u8]) -> Result<(), Reply>,
) -> Result<Option<()>, Reply> {
    let mut rest = Cursor(bytes);
    for kind in signature.bytes() {
        let value = match kind {
            b'o' => rest.take(1),
            b'h' => rest.take(2),
            b'w' => rest.take(4),
            b'q' => rest.take(8),
            b's' => rest.short(),
            _ => rest.long(),
        };
        let Some(value) = value else {
            return Ok(None);
        };
        see(kind, value)?;
    }
    Ok(rest.is_empty().then_some(()))
}
