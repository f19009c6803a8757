//! A form with files in a request's body: `multipart/form-data`. Nothing is copied: fields are slices of the body, which is bounded.

/// Fields that are looked at; the form that RabbitMQ's management UI sends has three.
const FIELDS_MAX: usize = 64;

/// The boundary that a content type names, if it is that of a form.
pub fn boundary(content_type: &str) -> Option<Vec<u8>> {
    let mut words = content_type.split(';').map(str::trim);
    if !words.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = words.find_map(|word| parameter(word, "boundary"))?;
    (!boundary.is_empty()).then(|| boundary.into_bytes())
}

/// `name=value` or `name="value"`.
fn parameter(word: &str, wanted: &str) -> Option<String> {
    let (name, value) = word.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case(wanted) {
        return None;
    }
    Some(value.trim().trim_matches('"').to_owned())
}

/// Names and contents of the fields; `None` for what is no form.
pub fn fields<'a>(body: &'a [u8], boundary: &[u8]) -> Option<Vec<(String, &'a [u8])>> {
    let delimiter = [b"--", boundary].concat();
    let inner = [b"\r\n--", boundary].concat();
    let mut rest = &body[find(body, &delimiter)? + delimiter.len()..];
    let mut fields = Vec::new();
    while fields.len() < FIELDS_MAX {
        if rest.starts_with(b"--") {
            return Some(fields);
        }
        let from = find(rest, b"\r\n")? + 2;
        rest = &rest[from..];
        let end = find(rest, &inner)?;
        let part = &rest[..end];
        rest = &rest[end + inner.len()..];
        let (head, content) = match find(part, b"\r\n\r\n") {
            Some(at) => (&part[..at], &part[at + 4..]),
            None => (&b""[..], part),
        };
        if let Some(name) = name(head) {
            fields.push((name, content));
        }
    }
    None
}

/// The name in a field's head.
fn name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head.lines().find(|line| {
        let (name, _) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("content-disposition")
    })?;
    line.split(';')
        .find_map(|word| parameter(word.trim(), "name"))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|at| at == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.json\"\r\nContent-Type: application/json\r\n\r\n{\"a\":\r\n1}\r\n--x\r\ncontent-disposition: form-data; name=redirect\r\n\r\n\r\n--x--\r\n";

    #[test]
    fn fields_have_names_and_contents() {
        let fields = fields(BODY, b"x").unwrap();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[0], ("file".to_owned(), &b"{\"a\":\r\n1}"[..]));
        assert_eq!(fields[1], ("redirect".to_owned(), &b""[..]));
    }

    #[test]
    fn boundaries_may_be_quoted() {
        let named = |text| boundary(text).map(|found| String::from_utf8(found).unwrap());
        let quoted = "Multipart/Form-Data; charset=x; boundary=\"a b\"";
        assert_eq!(named(quoted).as_deref(), Some("a b"));
        assert_eq!(
            named("multipart/form-data;boundary=x").as_deref(),
            Some("x")
        );
        assert_eq!(named("multipart/form-data"), None);
        assert_eq!(named("application/json; boundary=x"), None);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for end in 0..BODY.len() {
            let cut = &BODY[..end];
            assert!(
                fields(cut, b"x").is_none() || end + 2 >= BODY.len(),
                "{end}"
            );
        }
        assert_eq!(fields(b"", b"x"), None);
        assert_eq!(fields(b"--x--", b"x"), Some(Vec::new()));
        let many = b"--x\r\n\r\n\r\n".repeat(1000);
        assert_eq!(fields(&many, b"x"), None);
    }
}
