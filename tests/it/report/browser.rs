//! The page in a real browser: headless Chromium.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::harness::requirements::{available, chromium};

use super::reports::{TRAINING, page, rendered, week};

/// What a page did in the browser.
struct Visit {
    /// Paths that it asked for.
    requests: Vec<String>,
    /// What it complained about.
    console: String,
    /// The document as it stood in the end.
    document: String,
}

/// Serves a page, and nothing else, to the browser.
fn visit(chromium: &str, page: String) -> Visit {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), page, seen) = (stream, page.clone(), Arc::clone(&seen)) else { return };
            thread::spawn(move || {
                let mut request = [0; 4096];
                let n = stream.read(&mut request).unwrap_or(0);
                if n == 0 {
                    return; // a connection opened in advance
                }
                let request = String::from_utf8_lossy(&request[..n]);
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: ";
                let body = if path == "/page" { page.as_str() } else { "" };
                if let Ok(mut seen) = seen.lock() {
                    seen.push(path.clone());
                }
                let _ = write!(stream, "{head}{}\r\n\r\n{body}", body.len());
            });
        }
    });
    let profile = tempfile::tempdir().expect("a folder for the browser");
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--enable-logging=stderr", "--v=1", "--dump-dom"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{address}/page"))
        .output()
        .expect("chromium runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    Visit {
        requests: requests.lock().map(|requests| requests.clone()).unwrap_or_default(),
        console: stderr.lines().filter(|line| line.contains(":CONSOLE:")).collect::<Vec<_>>().join("\n"),
        document: String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}

#[test]
fn pages_load_without_an_error_and_without_a_request() {
    let Some(chromium) = available(chromium()) else { return };
    let comparison = rendered(&[("a.json", &TRAINING), ("b.json", &TRAINING)], "html");
    for (name, page) in [("run", page(&TRAINING)), ("week", page(&week())), ("comparison", comparison)] {
        let visit = visit(chromium, page);
        assert_eq!(visit.console, "", "{name}");
        assert_eq!(visit.requests, ["/page"], "{name}");
        assert!(visit.document.contains("<footer>"), "{name}: {:.200}", visit.document);
    }
}

#[test]
fn the_browser_would_tell_of_a_script_and_of_a_request() {
    let Some(chromium) = available(chromium()) else { return };
    let mut report: Value = TRAINING.clone();
    report["warnings"] = serde_json::json!(["PLACE"]);
    let harmless = page(&report);
    let harmful = "<script>document.title = 'harm'</script><img src='/image.png'>";
    let visit = visit(chromium, harmless.replacen("PLACE", harmful, 1));
    assert_eq!(visit.requests, ["/page"], "the page's own policy holds");
    assert!(visit.console.contains("Content Security Policy"), "{}", visit.console);
    assert!(!visit.document.contains("<title>harm"));
}

/// By how many pixels a page is wider than the window that it is shown in.
fn too_wide(chromium: &str, page: &str, width: u32) -> i64 {
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    let window = format!(
        "<!DOCTYPE html><iframe style='width:{width}px; height:900px; border:0' srcdoc=\"{page}\"></iframe>
         <script>onload = () => {{
             const page = document.querySelector('iframe').contentDocument.documentElement;
             document.title = page.scrollWidth - page.clientWidth;
         }}</script>"
    );
    let document = visit(chromium, window).document;
    let title = document.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    title.and_then(|pixels| pixels.parse().ok()).unwrap_or_else(|| panic!("{document:.500}"))
}

#[test]
fn neither_long_names_and_commands_nor_many_runs_widen_the_page() {
    let Some(chromium) = available(chromium()) else { return };
    let mut long = TRAINING.clone();
    long["command"]["argv"] = serde_json::json!(["torchrun", "--option", "x".repeat(2000)]);
    let names: Vec<String> = (0..12).map(|i| format!("{}-{i}.json", "long_name".repeat(20))).collect();
    let runs: Vec<(&str, &Value)> = names.iter().map(|name| (name.as_str(), &long)).collect();
    for count in [2, 6, 12] {
        let page = rendered(&runs[..count], "html");
        for width in [375, 1280] {
            assert_eq!(too_wide(chromium, &page, width), 0, "{count} runs, {width} pixels");
        }
    }
}
