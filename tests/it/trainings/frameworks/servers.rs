//! Inference servers that are busy and idle by turns.

use crate::trainings::program::Program;

/// A time of requests, and the idle time after it, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub busy: f64,
    pub idle: f64,
}

/// vLLM: a line each 10 s with the mean rate of that time. After the last request one more line shows that nothing is
/// generated any more; then there is none until the next one.
pub fn vllm(program: &mut Program, loads: &[Load], rate: f64) {
    const INTERVAL: f64 = 10.0;
    program
        .out("(APIServer pid=10) INFO 01-09 14:00:00 [api_server.py:1000] vLLM API server version 0.11.0\n");
    // What is generated in each second.
    let mut seconds = Vec::new();
    for Load { busy, idle } in loads {
        seconds.extend(std::iter::repeat_n(true, *busy as usize));
        seconds.extend(std::iter::repeat_n(false, *idle as usize));
    }
    let mut was_busy = false;
    for interval in seconds.chunks(INTERVAL as usize) {
        let mut tokens = 0.0;
        for is_busy in interval {
            if *is_busy {
                program.generate(rate, 1.0);
                tokens += rate;
            } else {
                program.idle(1.0);
            }
        }
        let running = if interval.last() == Some(&true) { 4 } else { 0 };
        if tokens > 0.0 || was_busy {
            let time = program.second_of_day();
            program.out(&format!(
                "(APIServer pid=10) INFO 01-09 {time} [loggers.py:127] Engine 000: Avg prompt throughput: 0.0 \
                 tokens/s, Avg generation throughput: {:.1} tokens/s, Running: {running} reqs, Waiting: 0 reqs, GPU \
                 KV cache usage: 1.0%, Prefix cache hit rate: 0.0%\n",
                tokens / INTERVAL
            ));
        }
        was_busy = tokens > 0.0;
    }
}

/// SGLang: a line each 40 decoded batches, with the rate since the line before, idle time included.
pub fn sglang(program: &mut Program, loads: &[Load], rate: f64) {
    const BATCHES: u32 = 40;
    const RUNNING: f64 = 4.0;
    let time = program.second_of_day();
    program.out(&format!("[2026-01-09 {time}] The server is fired up and ready to roll!\n"));
    let batch_seconds = RUNNING / rate;
    let (mut batches, mut tokens, mut logged_at) = (0, 0.0, program.now);
    for Load { busy, idle } in loads {
        let time = program.second_of_day();
        program.out(&format!(
            "[2026-01-09 {time}] Prefill batch, #new-seq: 4, #new-token: 512, #cached-token: 0, token usage: 0.00, \
             #running-req: 0, #queue-req: 0, \n"
        ));
        for _ in 0..(busy / batch_seconds).round() as u64 {
            program.generate(RUNNING, batch_seconds);
            (batches, tokens) = (batches + 1, tokens + RUNNING);
            if batches % BATCHES == 0 {
                let time = program.second_of_day();
                program.out(&format!(
                    "[2026-01-09 {time}] Decode batch, #running-req: 4, #token: 1100, token usage: 0.01, cuda \
                     graph: True, gen throughput (token/s): {:.2}, #queue-req: 0, \n",
                    tokens / (program.now - logged_at)
                ));
                (tokens, logged_at) = (0.0, program.now);
            }
        }
        program.idle(*idle);
    }
}
