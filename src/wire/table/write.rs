//! Writers of raw tables: a name and a value for each field of a table, values alone in an array.

/// Appends a field's name, cut at 255 bytes; one of the value writers must follow.
pub fn write_name(out: &mut Vec<u8>, name: &[u8]) {
    let name = &name[..name.len().min(super::super::limits::SHORT_STRING_BYTES_MAX)];
    out.push(name.len() as u8);
    out.extend_from_slice(name);
}

/// Appends a value of type `S`.
pub fn write_long_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'S');
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a value of type `t`.
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(&[b't', value.into()]);
}

/// Appends a value of type `I`, RabbitMQ's signedint.
pub fn write_i32(out: &mut Vec<u8>, value: i32) {
    out.push(b'I');
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a value of type `l`, RabbitMQ's long.
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.push(b'l');
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a value of type `T`, in seconds since the epoch.
pub fn write_timestamp(out: &mut Vec<u8>, seconds: u64) {
    out.push(b'T');
    out.extend_from_slice(&seconds.to_be_bytes());
}

/// Starts a nested table; [`close`] ends it.
pub fn open_table(out: &mut Vec<u8>) -> usize {
    open(out, b'F')
}

/// Starts a nested array; [`close`] ends it.
pub fn open_array(out: &mut Vec<u8>) -> usize {
    open(out, b'A')
}

/// Ends the table or array that `opened` started: writes its length.
pub fn close(out: &mut [u8], opened: usize) {
    let length = (out.len() - opened - 4) as u32;
    out[opened..opened + 4].copy_from_slice(&length.to_be_bytes());
}

fn open(out: &mut Vec<u8>, kind: u8) -> usize {
    out.push(kind);
    let opened = out.len();
    out.extend_from_slice(&[0; 4]);
    opened
}
