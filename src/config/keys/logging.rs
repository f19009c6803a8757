//! What is logged, where to, and how it looks.

use super::super::value::{INTEGER, PORT};
use super::Class::{Ignored, Later, Used};
use super::tls::CLIENT_ROWS;
use super::{Class, Kind, Row, Section, Set, eg, is, row};

/// RabbitMQ's log levels. Leveret has five: notice counts as info, all above error as error.
const LEVELS: Kind = Kind::Enum(&[
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
    "none",
]);
/// `log.file.level` also takes comparisons.
const FILE_LEVELS: Kind = Kind::Enum(&[
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
    "none",
    "=debug",
    "!=info",
    "<=notice",
    "<warning",
]);
const FORMATTER: Kind = Kind::Enum(&["plaintext", "json"]);

pub(super) const SECTION: Section = Section {
    title: "Logging",
    #[rustfmt::skip]
    rows: &[
        row("log.console", Kind::Bool, is("true"), Used, "Log to the terminal. On, unlike in RabbitMQ, because the first thing anybody wants to see is whether the broker started."),
        row("log.console.level", LEVELS, is("info"), Used, "Least level of what goes there."),
        row("log.console.stdio", Kind::Enum(&["stdout", "stderr"]), is("stdout"), Used, "Which of the two streams it is."),
        row("log.console.formatter", FORMATTER, is("plaintext"), Used, "A line of text for people, or a line of JSON for programs."),
        row("log.console.use_colors", Kind::Bool, is("on"), Used, "Colour the levels; only where the stream is a terminal."),
        row("log.file", Kind::Text, is("false"), Used, "Log to this file, in log.dir if the name is relative; false for none. Off, unlike in RabbitMQ: whoever wants a file says where."),
        row("log.file.level", FILE_LEVELS, is("info"), Used, "Least level of what goes there."),
        row("log.file.formatter", FORMATTER, is("plaintext"), Used, "A line of text for people, or a line of JSON for programs."),
        row("log.dir", Kind::Path, eg("/var/log/rabbitmq"), Used, "Directory of log.file. Setting it alone turns the file leveret.log in it on. By default the directory log in data_dir."),
        row("log.file.rotation.date", Kind::Text, eg("$D0"), Later, "When a new log file is begun. Until then, logrotate with copytruncate does it."),
        row("log.file.rotation.size", INTEGER, eg("10485760"), Later, "Size at which a new log file is begun."),
        row("log.file.rotation.count", INTEGER, eg("10"), Later, "How many old log files are kept."),
        row("log.file.rotation.compress", Kind::Bool, is("false"), Later, "Whether old log files are compressed."),
        row("log.exchange", Kind::Bool, is("false"), Later, "Publish what is logged to the exchange amq.rabbitmq.log."),
        row("log.exchange.level", LEVELS, is("info"), Later, "Least level of what goes there."),
        row("log.exchange.formatter", FORMATTER, is("plaintext"), Later, "How it looks there."),
        row("log.journald", Kind::Bool, is("false"), Later, "Log to the system's journal. Under systemd, the console goes there anyway."),
        row("log.journald.level", LEVELS, is("info"), Later, "Least level of what goes there."),
        row("log.journald.fields", Kind::Text, eg("SYSLOG_IDENTIFIER"), Later, "Fields of an entry there."),
        row("log.syslog", Kind::Bool, is("false"), Later, "Log to a syslog server."),
        row("log.syslog.level", LEVELS, is("info"), Later, "Least level of what goes there."),
        row("log.syslog.formatter", FORMATTER, is("plaintext"), Later, "How it looks there."),
        row("log.syslog.identity", Kind::Text, eg("rabbitmq"), Later, "Name under which it logs there."),
        row("log.syslog.facility", Kind::Enum(&["kern", "kernel", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]), is("daemon"), Later, "Facility under which it logs there."),
        row("log.syslog.multiline_mode", Kind::Bool, is("false"), Later, "Send each line of an entry on its own."),
        row("log.syslog.ip", Kind::Ip, eg("192.0.2.1"), Later, "Address of the syslog server."),
        row("log.syslog.host", Kind::Text, eg("syslog.example.com"), Later, "Name of the syslog server."),
        row("log.syslog.port", PORT, eg("514"), Later, "Port of the syslog server."),
        row("log.syslog.transport", Kind::Enum(&["udp", "tcp", "tls", "ssl"]), is("udp"), Later, "How the syslog server is reached."),
        row("log.syslog.protocol", Kind::Enum(&["rfc3164", "rfc5424"]), is("rfc3164"), Later, "Which syslog protocol is spoken."),
    ],
    sets: &[
        Set {
            prefix: "log.connection",
            rows: CATEGORY_ROWS,
            class: None,
        },
        Set {
            prefix: "log.channel",
            rows: CATEGORY_ROWS,
            class: None,
        },
        Set {
            prefix: "log.queue",
            rows: CATEGORY_ROWS,
            class: None,
        },
        Set {
            prefix: "log.default",
            rows: CATEGORY_ROWS,
            class: None,
        },
        Set {
            prefix: "log.mirroring",
            rows: CATEGORY_ROWS,
            class: IGNORED,
        },
        Set {
            prefix: "log.federation",
            rows: CATEGORY_ROWS,
            class: IGNORED,
        },
        Set {
            prefix: "log.upgrade",
            rows: CATEGORY_ROWS,
            class: IGNORED,
        },
        Set {
            prefix: "log.ra",
            rows: CATEGORY_ROWS,
            class: IGNORED,
        },
        Set {
            prefix: "log.console",
            rows: FORMAT_ROWS,
            class: None,
        },
        Set {
            prefix: "log.console",
            rows: COLOR_ROWS,
            class: None,
        },
        Set {
            prefix: "log.file",
            rows: FORMAT_ROWS,
            class: None,
        },
        Set {
            prefix: "log.exchange",
            rows: FORMAT_ROWS,
            class: None,
        },
        Set {
            prefix: "log.syslog",
            rows: FORMAT_ROWS,
            class: None,
        },
        Set {
            prefix: "log.syslog.ssl_options",
            rows: CLIENT_ROWS,
            class: LATER,
        },
    ],
};

const IGNORED: Option<Class> = Some(Ignored);
const LATER: Option<Class> = Some(Later);

/// What can be said of one category.
#[rustfmt::skip]
const CATEGORY_ROWS: &[Row] = &[
    row("level", LEVELS, is("info"), Used, "Least level of what is logged of this category."),
    row("file", Kind::Text, eg("connections.log"), Later, "A file for this category alone."),
    row("rotation.date", Kind::Text, eg("$D0"), Later, "When a new file is begun."),
    row("rotation.size", INTEGER, eg("10485760"), Later, "Size at which a new file is begun."),
    row("rotation.count", INTEGER, eg("10"), Later, "How many old files are kept."),
    row("rotation.compress", Kind::Bool, is("false"), Later, "Whether old files are compressed."),
];

/// Details of how a line looks.
#[rustfmt::skip]
const FORMAT_ROWS: &[Row] = &[
    row("formatter.time_format", Kind::Text, is("rfc3339_space"), Ignored, "How times look. Leveret writes RFC 3339."),
    row("formatter.level_format", Kind::Enum(&["lc", "uc", "lc3", "uc3", "lc4", "uc4"]), is("lc"), Ignored, "How levels look."),
    row("formatter.single_line", Kind::Bool, is("off"), Ignored, "One line an entry, which is so anyway."),
    row("formatter.plaintext.format", Kind::Text, is("$time [$level] $pid $msg"), Ignored, "Parts of a line of text."),
    row("formatter.json.field_map", Kind::Text, is("time level msg gl:- logger_formatter:- report_cb:- error_logger:-"), Ignored, "Fields of a line of JSON."),
    row("formatter.json.verbosity_map", Kind::Text, is(""), Ignored, "A number for each level in a line of JSON."),
];

/// Colours of the levels.
#[rustfmt::skip]
const COLOR_ROWS: &[Row] = &[
    row("color_esc_seqs.debug", Kind::Text, is(""), Ignored, "Colour of this level."),
    row("color_esc_seqs.info", Kind::Text, is(""), Ignored, "Colour of this level."),
    row("color_esc_seqs.notice", Kind::Text, is(""), Ignored, "Colour of this level."),
    row("color_esc_seqs.warning", Kind::Text, is(""), Ignored, "Colour of this level."),
    row("color_esc_seqs.error", Kind::Text, is(""), Ignored, "Colour of this level."),
    row("color_esc_seqs.critical", Kind::Text, is(""), Ignored, "Colour of this level."),
    row("color_esc_seqs.alert", Kind::Text, is(""), Ignored, "Colour of this level."),
    row("color_esc_seqs.emergency", Kind::Text, is(""), Ignored, "Colour of this level."),
];
