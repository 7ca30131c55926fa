use super::*;

/// What comes out of `bytes`, given in pieces of `size`.
fn shown(bytes: &[u8], size: usize) -> Vec<Output> {
    let mut outputs = Outputs::default();
    let mut found: Vec<Output> = Vec::new();
    let mut take = |output: Output| match (found.last_mut(), output) {
        (Some(Output::Stdout(last)), Output::Stdout(text)) => last.push_str(&text),
        (_, output) => found.push(output),
    };
    for piece in bytes.chunks(size) {
        outputs.push(piece, &mut take);
    }
    outputs.finish(&mut take);
    found
}

fn display(pairs: &[(&str, Value)]) -> Output {
    let data = pairs.iter().map(|(mime, value)| ((*mime).to_owned(), value.clone())).collect();
    Output::Display { data, id: None, update: false }
}

fn text(text: &str) -> Output {
    Output::Stdout(text.into())
}

#[test]
fn however_the_bytes_are_cut_the_outputs_are_the_same() {
    let bytes = "a\rb EVCXR_BEGIN_CONTENT text/html\n<b>x</b>\n\nEVCXR_END_CONTENT\nEVCXR_BEGIN_CONTENT application/vnd.x+json\n\
                 {\"a\": [1]}\nEVCXR_END_CONTENT\nEVCXR_BEGIN_CONTENT text/html\nsecond\nEVCXR_END_CONTENT\n\
                 EVCXR_BEG \u{1f600} end";
    let wanted = [
        text("a\rb "),
        display(&[("application/vnd.x+json", serde_json::json!({"a": [1]})), ("text/html", "<b>x</b>\n".into())]),
        display(&[("text/html", "second".into())]),
        text("EVCXR_BEG \u{1f600} end"),
    ];
    for size in [1, 2, 3, 7, 16, 1000] {
        assert_eq!(shown(bytes.as_bytes(), size), wanted, "in pieces of {size}");
    }
}

#[test]
fn text_without_a_line_end_is_not_held_back() {
    let mut outputs = Outputs::default();
    let mut found = Vec::new();
    outputs.push(b"50 %\r51 %", &mut |output| found.push(output));
    assert_eq!(found, [text("50 %\r51 %")]);
}

#[test]
fn a_figure_is_shown_before_the_work_after_it_ends() {
    let mut outputs = Outputs::default();
    let mut found = Vec::new();
    outputs.push(b"EVCXR_BEGIN_CONTENT text/plain\nfigure\nEVCXR_END_CONTENT\n", &mut |output| found.push(output));
    assert_eq!(found, []);
    outputs.idle(&mut |output| found.push(output));
    assert_eq!(found, [display(&[("text/plain", "figure".into())])]);
}

#[test]
fn the_beginning_of_a_marker_is_text_once_nothing_follows() {
    let mut outputs = Outputs::default();
    let mut found = Vec::new();
    outputs.push(b"Name: S", &mut |output| found.push(output));
    outputs.idle(&mut |output| found.push(output));
    assert_eq!(found, [text("Name: "), text("S")]);
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(shown(b"a\xff\xfeb\xe2\x82", 1), [text("a\u{fffd}\u{fffd}b\u{fffd}")]);
}

#[test]
fn a_block_that_is_cut_off_says_so() {
    let found = shown(b"EVCXR_BEGIN_CONTENT text/html\n<table>", 5);
    assert!(matches!(&found[..], [Output::Stderr(note)] if note.contains("text/html was cut off after 7 bytes")));
}

#[test]
fn a_bar_is_one_display_that_moves() {
    let line = |done: u64, end: &str| {
        format!(
            "SCDD_PROGRESS {{\"id\":1,\"task\":\"SC<DG\",\"done\":{done},\"steps\":3000,\"seconds\":{},\
             \"state\":\"loss 0.2\",\"points\":[[{done},{}]]{end}}}\n",
            done as f64 / 100.0,
            1.0 / done as f64,
        )
    };
    let mut outputs = Outputs::default();
    let mut found = Vec::new();
    outputs.push(line(1000, "").as_bytes(), &mut |output| found.push(output));
    for done in 1001..1100 {
        outputs.push(line(done, "").as_bytes(), &mut |output| found.push(output));
    }
    outputs.push(line(3000, ",\"end\":\"done\"").as_bytes(), &mut |output| found.push(output));
    let [Output::Display { data: first, id, update: false }, .., Output::Display { data, id: last, update: true }] =
        &found[..]
    else {
        panic!("{found:?}")
    };
    assert!(found.len() <= 3, "a hundred lines at once moved it {} times", found.len());
    assert_eq!(id, last);
    assert_eq!(first["text/plain"], "SC<DG: 33 %, 1,000 of 3,000, 100 a second, 20 s left, loss 0.2");
    assert_eq!(data["text/plain"], "SC<DG: 3,000 steps in 30 s, loss 0.2");
    let html = data["text/html"].as_str().unwrap();
    assert!(html.contains("SC&lt;DG") && html.contains("<details>") && html.contains("polyline"), "{html}");
    assert!(!html.contains("<progress"), "{html}");
}

#[test]
fn a_bar_that_nobody_ended_is_ended_with_the_cell() {
    let found = shown(b"SCDD_PROGRESS {\"id\":1,\"task\":\"UMAP\",\"done\":5,\"steps\":10,\"seconds\":1.0}\n", 9);
    let Some(Output::Display { data, update: true, .. }) = found.last() else { panic!("{found:?}") };
    assert_eq!(data["text/plain"], "UMAP: ended early after 5 of 10, 1.0 s");
}

#[test]
fn what_only_looks_like_progress_is_text() {
    assert_eq!(shown(b"SCDD_PROGRESS is a word\n", 4), [text("SCDD_PROGRESS is a word\n")]);
}

#[test]
fn a_clear_removes_what_was_shown_and_bars_are_shown_anew() {
    let bar = |done: u64| {
        format!("SCDD_PROGRESS {{\"id\":1,\"task\":\"UMAP\",\"done\":{done},\"steps\":10,\"seconds\":1.0}}\n")
    };
    let bytes = format!("before\n{}SCDD_CLEAR {{\"wait\":true}}\nafter\n{}SCDD_CLEAR is a word\n", bar(1), bar(2));
    for size in [1, 3, 1000] {
        let found = shown(bytes.as_bytes(), size);
        let [
            before,
            Output::Display { update: false, .. },
            clear,
            after,
            Output::Display { update: false, .. },
            word,
            ..,
        ] = &found[..]
        else {
            panic!("{found:?}")
        };
        assert_eq!([before, clear, after], [&text("before\n"), &Output::Clear { wait: true }, &text("after\n")]);
        assert_eq!(word, &text("SCDD_CLEAR is a word\n"));
    }
}
