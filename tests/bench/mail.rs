//! How long one message takes to be read: its header alone, and all that the index wants of it.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a measurement that fails is to say so and stop"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tern::mail::envelope::Envelope;
use tern::mail::indexing;

/// A message as they come: a long header, text and HTML, an attachment.
fn message() -> Vec<u8> {
    let mut text = String::new();
    for hop in 0..6 {
        let _ = write!(
            text,
            "Received: from relay{hop}.example.net (relay{hop}.example.net [192.0.2.{hop}])\r\n\tby mx{hop}.example.org \
             (Postfix) with ESMTPS id 4F{hop}A\r\n\tfor <ada@example.org>; Sat, 21 Nov 2026 20:0{hop}:00 +0000 (UTC)\r\n"
        );
    }
    text.push_str(
        "From: =?utf-8?q?Charles_B=C3=A4bbage?= <charles@example.org>\r\nTo: Ada Lovelace <ada@example.org>,\r\n\
         \t\"Somerville, Mary\" <mary@example.org>\r\nSubject: Re: =?utf-8?b?w5xiZXIgZGllIE1hc2NoaW5l?=\r\n\
         Date: Sat, 21 Nov 2026 20:10:00 +0000\r\nMessage-ID: <m2@example.org>\r\nIn-Reply-To: <m1@example.org>\r\n\
         References: <m0@example.org> <m1@example.org>\r\nList-Id: Engines <engines.example.org>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\nContent-Type: multipart/alternative; \
         boundary=inner\r\n\r\n--inner\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    for line in 0..60 {
        let _ = write!(text, "Line {line} speaks of the engine, of its caf=C3=A9, and of a meeting about numbers.\r\n");
    }
    text.push_str("\r\n--inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>");
    for line in 0..60 {
        let _ = write!(text, "<p>Line {line} speaks of the <b>engine</b> and of a meeting about numbers.</p>\r\n");
    }
    text.push_str(
        "</body></html>\r\n--inner--\r\n--outer\r\nContent-Type: application/pdf; name=\"notes.pdf\"\r\n\
         Content-Disposition: attachment; filename=\"notes.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    );
    for _ in 0..100 {
        text.push_str(&"QUJD".repeat(19));
        text.push_str("\r\n");
    }
    text.push_str("--outer--\r\n");
    text.into_bytes()
}

fn reading(c: &mut Criterion) {
    let bytes = message();
    let mut group = c.benchmark_group("one message");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("Envelope::parse", |b| b.iter(|| Envelope::parse(black_box(&bytes))));
    group.bench_function("indexing::digest", |b| b.iter(|| indexing::digest(black_box(&bytes))));
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
