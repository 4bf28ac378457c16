//! A corrupted database comes back from a dump, beside the old one, through the command and into a real PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sandbox::testing::{BLOCKS, Postgres};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::command::copy_of_project;
use crate::world::{Said, World};

const SCENARIO: [&str; 4] = ["--env", "sandbox", "--scenario", "database"];
const BUCKET: &str = "natlangchain-dumps";
const KEY: &str = "natlangchain/corrupted.dump";

/// Everything that the parts of the test need.
struct Case {
    world: World,
    postgres: Postgres,
    /// The environment without a database.
    declared: String,
    /// A generation stands, and this is its id.
    generation: String,
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn a_dump_comes_back_with_a_whole_chain_or_leaves_nothing() {
    let mut world = World::new();
    let project = world.home().join("project");
    fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    world.project = project;
    world.up();
    world
        .rebuild(&["--env", "sandbox", "--from-backup", "latest", "--yes"])
        .exits(0);
    let generations = world
        .rebuild(&["generations", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    let case = Case {
        declared: fs::read_to_string(environment(&world)).expect("the environment"),
        postgres: Postgres::start().expect("a PostgreSQL server"),
        generation: text(&generations[0]["generation"]).to_owned(),
        world,
    };
    let password = case.postgres.password();
    let file = case.world.home().join("admin-password");
    fs::write(&file, password).expect("written");
    case.world.shell(&format!(
        "bao kv put -mount=secret postgres/admin value=@{} >&2",
        file.display()
    ));
    fs::remove_file(&file).expect("removed");
    case.world
        .aws(&format!("s3.create_bucket(Bucket='{BUCKET}')"));

    let dump = case.dumped("corrupted", &case.newest_chain());
    let name = case.comes_back(&dump);
    case.again(&name);
    case.tampered(&dump);
    case.mined_anew();
    case.tells_no_password();
}

fn environment(world: &World) -> PathBuf {
    world.project.join("environments/sandbox/environment.yaml")
}

/// Hash of the last block.
fn head(chain: &str) -> String {
    let chain: Value = serde_json::from_str(chain).expect("a chain");
    let blocks = chain["chain"].as_array().expect("blocks");
    text(&blocks.last().expect("a block")["hash"]).to_owned()
}

impl Case {
    /// The application's JSON in the newest backup.
    fn newest_chain(&self) -> String {
        let chain = self.world.aws(
            "import gzip\n\
             listed = s3.list_objects_v2(Bucket='natlangchain-backups', Prefix='natlangchain/')['Contents']\n\
             keys = [one['Key'] for one in listed if one['Key'].endswith('.json.gz')]\n\
             newest = max(keys, key=lambda key: key.rsplit('/', 1)[1].split('_')[1:3])\n\
             body = s3.get_object(Bucket='natlangchain-backups', Key=newest)['Body'].read()\n\
             print(json.dumps(gzip.decompress(body).decode()))",
        );
        text(&chain).to_owned()
    }

    /// A database with this chain, dumped; what the environment says of it is written down.
    fn dumped(&self, database: &str, chain: &str) -> Vec<u8> {
        self.postgres.chain(database, chain).expect("a database");
        let dump = self.postgres.dump(database).expect("a dump");
        self.stored(&dump);
        self.declares(&sha256(&dump), &head(chain));
        dump
    }

    fn stored(&self, dump: &[u8]) {
        let file = self.world.home().join("dump");
        fs::write(&file, dump).expect("written");
        self.world.aws(&format!(
            "s3.put_object(Bucket='{BUCKET}', Key='{KEY}', Body=open({file:?}, 'rb').read())"
        ));
    }

    fn declares(&self, sha256: &str, head: &str) {
        let database = json!({"dump": {
            "bucket": BUCKET, "key": KEY, "sha256": sha256, "head": head, "chain": BLOCKS,
            "server": {"host": "127.0.0.1", "port": self.postgres.port, "sslmode": "disable"},
            "admin": Postgres::ADMIN, "admin_password": {"mount": "secret", "path": "postgres/admin", "field": "value"},
            "name": "natlangchain", "password": "postgres",
        }});
        let declared = format!("{}database: {database}\n", self.declared);
        fs::write(environment(&self.world), declared).expect("written");
    }

    /// Every database and role, as the server itself has them.
    fn stands(&self) -> String {
        let asked = "SELECT 'database ' || datname || ' ' || oid FROM pg_database UNION ALL \
            SELECT 'role ' || rolname || ' ' || oid FROM pg_roles ORDER BY 1";
        self.sql("postgres", asked)
    }

    #[track_caller]
    fn sql(&self, database: &str, statement: &str) -> String {
        self.postgres.sql(database, statement).expect("an answer")
    }

    /// Runs the scenario, and keeps with what arguments and variables PostgreSQL's programs were called.
    fn run(&self) -> Said {
        let path = format!("{}:/usr/bin:/bin", self.programs().display());
        let arguments = [&SCENARIO[..], &["--yes"]].concat();
        self.world.rebuild_with(&arguments, &[("PATH", &path)])
    }

    /// PostgreSQL's own programs, called through scripts that write down how.
    fn programs(&self) -> PathBuf {
        let folder = self.world.home().join("programs");
        fs::create_dir_all(&folder).expect("a folder");
        for program in ["psql", "pg_restore"] {
            let path = folder.join(program);
            let calls = self.calls().display().to_string();
            let script = format!(
                "#!/bin/sh\n{{ printf '%s\\n' \"$0\" \"$@\"; env; }} >>'{calls}'\nexec /usr/bin/{program} \"$@\"\n"
            );
            fs::write(&path, script).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("executable");
        }
        folder
    }

    fn calls(&self) -> PathBuf {
        self.world.home().join("calls")
    }

    /// Planned, restored, verified, reported. Returns the name of the new database.
    fn comes_back(&self, dump: &[u8]) -> String {
        let (before, untouched) = (self.stands(), self.world.mutations());
        let plan = self
            .world
            .rebuild(&[&["plan"], &SCENARIO[..], &["--format", "json"]].concat())
            .exits(2)
            .json();
        assert_eq!(plan["scenario"], "database");
        assert_eq!(plan["backup"], Value::Null);
        assert_eq!(self.stands(), before, "planning makes no database");
        assert_eq!(
            self.world.mutations(),
            untouched,
            "planning changes nothing"
        );
        let said = self.run().exits(0);
        let name = format!(
            "natlangchain_{}_{}",
            self.generation.replace('-', "_"),
            &sha256(dump)[..8]
        );
        let owner =
            format!("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{name}'");
        assert_eq!(self.sql("postgres", &owner), name, "{}", self.stands());
        let rights = format!(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = '{name}'"
        );
        assert_eq!(self.sql("postgres", &rights), "f|f|f|t");
        let count = "SELECT count(*) FROM blocks";
        let password = self.fresh_password();
        let found = self.postgres.sql_as((&name, &password), &name, count);
        assert_eq!(
            found.expect("the fresh role gets in"),
            self.sql("corrupted", count)
        );
        let folder = said.out.trim_end().rsplit_once("report: ");
        let folder = Path::new(folder.expect("a report").1);
        let report = fs::read_to_string(folder.join("report.md")).expect("a report");
        assert!(report.contains(&name), "{report}");
        let journal = fs::read_to_string(folder.join("journal.jsonl")).expect("a journal");
        assert!(journal.contains(&head(&self.newest_chain())), "{journal}");
        name
    }

    /// The generation's own password, out of Vault.
    fn fresh_password(&self) -> String {
        let secrets = self
            .world
            .secrets(&format!("rebuild/sandbox/{}", self.generation));
        let found = secrets
            .iter()
            .find(|(name, _)| name.ends_with("/postgres#value"));
        found.expect("its password").1.clone()
    }

    /// A second run leaves the database as it is, with what was written into it since.
    fn again(&self, name: &str) {
        self.sql(name, "CREATE TABLE later (a integer)");
        let before = self.stands();
        self.run().exits(0);
        assert_eq!(self.stands(), before);
        self.sql(name, "SELECT * FROM later");
    }

    /// Other bytes than those that were written down are not even looked into.
    fn tampered(&self, dump: &[u8]) {
        let before = self.stands();
        let mut other = dump.to_vec();
        *other.last_mut().expect("a byte") ^= 1;
        self.stored(&other);
        // Another name than the restored one's, so that it would be restored.
        let mut pin = sha256(dump);
        pin.replace_range(..1, if pin.starts_with('0') { "1" } else { "0" });
        self.declares(&pin, &head(&self.newest_chain()));
        self.run()
            .exits(1)
            .tells(&["is not the dump that was pinned", &sha256(&other)]);
        assert_eq!(self.stands(), before, "nothing is left behind");
    }

    /// A dump with its own SHA-256, of a chain that hangs together and is not the one whose head was written down.
    fn mined_anew(&self) {
        let written_down = head(&self.newest_chain());
        self.world.rebuild(&["sandbox", "attack"]).exits(0);
        let planted = self.newest_chain();
        assert_ne!(head(&planted), written_down);
        let dump = self.dumped("planted", &planted);
        self.declares(&sha256(&dump), &written_down);
        let before = self.stands();
        self.run().exits(1).tells(&[
            "the restored chain has the head",
            &head(&planted),
            "the database and its role are dropped",
        ]);
        assert_eq!(self.stands(), before, "nothing is left behind");
    }

    /// Neither password is in what was printed or kept, in an argument or a variable, or told to the server.
    fn tells_no_password(&self) {
        let log = self.postgres.log().expect("its log");
        let printed = self.world.printed.borrow();
        let calls = fs::read_to_string(self.calls()).expect("calls");
        assert!(
            calls.contains("pg_restore") && calls.contains("PGPASSFILE="),
            "{calls}"
        );
        let kept = self.world.home().join("state/rebuild/runs");
        for password in [self.fresh_password(), self.postgres.password().to_owned()] {
            assert!(!printed.contains(&password), "a password was printed");
            assert!(
                !calls.contains(&password),
                "an argument or a variable was a password"
            );
            assert!(!log.contains(&password), "the server was told a password");
            let line = format!("grep -rlF -e '{password}' {} || true", kept.display());
            assert_eq!(self.world.shell(&line), "", "a password was kept");
        }
    }
}
