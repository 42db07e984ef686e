//! Arguments in, exit status out.

fn main() -> std::process::ExitCode {
    effllm::cli::main()
}
