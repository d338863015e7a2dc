//! What may stand behind `tete bench`, on one machine and between two.

use super::*;

fn plan(line: &str) -> Plan {
    match with_environment(line, &[]) {
        Ok(Invocation::Bench(plan)) => plan,
        other => panic!("no benchmark: {line} {other:?}"),
    }
}

#[test]
fn every_flag_of_bench_changes_the_plan_and_its_help_names_them_all() {
    let samples =
        ["--quick", "--full", "--only files", "--size 4MiB", "--memory m", "--disk d", "--cold", "--json", "--html f"];
    for sample in samples {
        assert_ne!(plan(&format!("bench {sample}")), plan("bench"), "{sample}");
    }
    assert_eq!(plan("--json bench"), plan("bench --json"));
    assert_eq!(plan("bench --size 4Mi").size(), 4 << 20);
    let Some(bench) = Cli::command().get_subcommands().find(|command| command.get_name() == "bench").cloned() else {
        panic!("there is no benchmark")
    };
    let long = bench.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
    let short = bench.get_arguments().filter_map(|arg| Some(format!("-{}", arg.get_short()?)));
    let global = ["-h", "--help", "--json", "--config-dir"].map(str::to_owned);
    let all: HashSet<String> = long.chain(short).chain(global).collect();
    let help = shown("bench --help");
    assert_eq!(flags_in(&help), all, "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    let named = |sample: &&str| sample.split(' ').next().unwrap_or_default().to_owned();
    let tried: HashSet<String> = samples.iter().chain(&BETWEEN).map(named).collect();
    let untried = |arg: &clap::Arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        !long.into_iter().chain(short).any(|flag| tried.contains(&flag))
    };
    let untried: Vec<_> = bench.get_arguments().filter(|arg| untried(arg)).map(|arg| arg.get_id().clone()).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

/// What may stand behind `bench -s` or `bench -c HOST`, each of which changes what is done.
const BETWEEN: [&str; 23] = [
    "-C reno",
    "-w 1M",
    "-s",
    "-c other",
    "-p 1",
    "-B 127.0.0.1",
    "-1",
    "-t 5",
    "-n 1G",
    "-P 2",
    "-R",
    "--bidir",
    "-i 2",
    "-O 1",
    "-J",
    "--name x",
    "--trust new",
    "--code -",
    "--new-code",
    "--plain",
    "--wait 1",
    "-4",
    "-6",
];

fn between(line: &str) -> (Config, Option<CodeFrom>, Orders) {
    match with_environment(line, &[]) {
        Ok(Invocation::Between(config, code, orders)) => (config, code, orders),
        other => panic!("not between two machines: {line} {other:?}"),
    }
}

#[test]
fn every_flag_between_two_machines_changes_what_is_done() {
    for sample in BETWEEN.into_iter().chain(["--json", "--config-dir d"]).filter(|sample| *sample != "-s") {
        let side = if matches!(sample, "-1" | "-B 127.0.0.1") { "-s" } else { "-c host" };
        let line = if sample == "-c other" { "bench".to_owned() } else { format!("bench {side}") };
        assert_ne!(between(&format!("{line} {sample}")), between(&format!("bench {side}")), "{sample}");
    }
    assert_ne!(between("bench -s"), between("bench -c host"));
    assert_eq!(between("bench -s -J"), between("--json bench -s"));
}

#[test]
fn between_two_machines_who_listens_and_who_is_called_is_as_in_a_conversation() {
    let (server, _, orders) = between("bench -s");
    assert_eq!((server.listen, server.target, orders.wish), (Listen::parse("8383").ok(), None, None));
    let (bound, ..) = between("bench -s -p 0 -B ::1");
    assert_eq!(bound.listen, Listen::parse("[::1]:0").ok());
    let called = |line| between(line).0.target.map(|target| target.to_string());
    assert_eq!(called("bench -c host"), Some("host:8383".to_owned()));
    assert_eq!(called("bench -c host -p 5"), Some("host:5".to_owned()));
    assert_eq!(called("bench -c host:5 -p 5"), Some("host:5".to_owned()));
    let (client, code, _) =
        match with_environment("bench -c host", &[("TETE_CODE", "acid lucky zero"), ("TETE_HOME", "k")]) {
            Ok(Invocation::Between(config, code, orders)) => (config, code, orders),
            other => panic!("{other:?}"),
        };
    assert_eq!((client.code, code), (Some(CodeSource::Given("acid lucky zero".to_owned())), None));
    assert_eq!(client.config_dir, Some(PathBuf::from("k")));
}

#[test]
fn what_cannot_be_meant_between_two_machines_is_a_usage_error() {
    for line in [
        "bench -s -c host",
        "bench -t 5",
        "bench -p 5",
        "bench --plain",
        "bench -s -t 5",
        "bench -s -R",
        "bench -c host -1",
        "bench -c host -B 127.0.0.1",
        "bench -c host --quick",
        "bench -s --size 1G",
        "bench -c host -t 5 -n 1G",
        "bench -c host -O 1 -n 1G",
        "bench -c host -R --bidir",
        "bench -c host -t 0",
        "bench -c host -t 4000",
        "bench -c host -n 0",
        "bench -c host -n much",
        "bench -c host -P 0",
        "bench -c host -P 9",
        "bench -c host -i 0.01",
        "bench -c host -p 0",
        "bench -c host -w 1",
        "bench -c host -w 8G",
        "bench -c host -w wide",
        "bench -c host -C nothing-is-called-so",
        "bench -s -C reno",
        "bench -s -w 1M",
        "bench -c host:5 -p 6",
        "bench -c host --trust ask",
        "bench -c host --plain --new-code",
        "bench -c host --code a --new-code",
        "bench -s -4 -B ::1",
        "--plain bench -s",
        "bench -s host",
    ] {
        let error = error_of(with_environment(line, &[]));
        assert!(!error.hint.is_empty(), "{line}: {error}");
    }
}

#[test]
fn what_bench_cannot_mean_is_a_usage_error() {
    for (line, named) in [
        ("bench --quick --full", "--full"),
        ("bench --quick --cold", "--cold"),
        ("bench --quick --disk d", "--disk"),
        ("bench --disk d --memory d", "same"),
        ("bench --size 1", "1 MiB"),
        ("bench --size huge", "huge"),
        ("bench --only words", "words"),
        ("bench 5000", "5000"),
        ("-q bench", "bench"),
        ("bench -d in", "bench"),
        ("bench -- x", "bench"),
    ] {
        let error = error_of(with_environment(line, &[]));
        assert!(error.to_string().contains(named), "{line}: {error}");
    }
    assert_eq!(target_of("-- bench"), "bench:8383");
}

#[test]
fn a_role_in_a_benchmark_is_played_with_what_it_was_given() {
    match with_environment("bench as raw-send --port 1", &[]) {
        Ok(Invocation::Role(name, given)) => {
            assert_eq!((name, given.rest()), ("raw-send".into(), vec!["--port".into(), "1".into()]))
        }
        other => panic!("{other:?}"),
    }
}
