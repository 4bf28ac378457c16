//! Starts and stops the sandbox: `sandbox install|up|down|status|reset|env`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use sandbox::{Folders, Launcher, Observer, Progress, Sandbox, supervisor};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let command = arguments.first().and_then(|word| word.to_str());
    if command == Some("supervise") {
        let [_, state, tools] = arguments.as_slice() else {
            return Err("usage: sandbox supervise STATE TOOLS".into());
        };
        return Ok(supervisor::main(Folders {
            state: PathBuf::from(state),
            tools: PathBuf::from(tools),
        })?);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(run(command.unwrap_or_default()))
}

async fn run(command: &str) -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::new(Folders::from_environment()?);
    let observer: Arc<dyn Observer> = Arc::new(|progress: &Progress| match progress {
        Progress::Advanced {
            what,
            done,
            total: Some(total),
            detail,
        } => eprintln!("{what}: {done}/{total} {detail}"),
        other => eprintln!("{other:?}"),
    });
    match command {
        "install" => sandbox.install(&observer).await?,
        "up" => {
            let launcher = Launcher {
                program: std::env::current_exe()?,
                arguments: vec!["supervise".into()],
            };
            let endpoints = sandbox.up(&launcher, observer).await?;
            for export in endpoints.env_exports() {
                println!("{export}");
            }
        }
        "env" => {
            if let Some(endpoints) = sandbox.status()?.endpoints {
                for export in endpoints.env_exports() {
                    println!("{export}");
                }
            }
        }
        "down" => println!("{:?}", sandbox.down(observer).await?),
        "status" => println!("{}", serde_json::to_string_pretty(&sandbox.status()?)?),
        "reset" => println!("{:?}", sandbox.reset(observer).await?),
        _ => return Err("usage: sandbox install|up|down|status|reset|env".into()),
    }
    Ok(())
}
