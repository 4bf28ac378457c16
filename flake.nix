{
  description = "rebuild: brings a lost or breached environment back";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      eachSystem = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      source = self;
    in
    {
      packages = eachSystem (pkgs: rec {
        rebuild = pkgs.rustPlatform.buildRustPackage {
          pname = "rebuild";
          version = "0.1.0";
          src = source;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [
            "-p"
            "rebuild"
          ];
          # The live tests start servers and belong to `.ci/run`.
          cargoTestFlags = [
            "-p"
            "planner"
            "-p"
            "backup"
          ];
          nativeBuildInputs = [
            pkgs.cmake
            pkgs.pkg-config
          ];
          meta = {
            description = "Brings a lost or breached environment back";
            license = [
              pkgs.lib.licenses.asl20
              pkgs.lib.licenses.mit
            ];
            mainProgram = "rebuild";
          };
        };
        default = rebuild;
      });

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.cargo
            pkgs.rustc
            pkgs.clippy
            pkgs.rustfmt
            pkgs.cargo-deny
            pkgs.just
            pkgs.cmake
            # The sandbox builds the control plane with Go and installs the other servers with Python.
            pkgs.go
            pkgs.python3
            # The servers and their clients, for use by hand.
            pkgs.openbao
            pkgs.seaweedfs
            pkgs.etcd
            pkgs.kubernetes
            pkgs.kwok
            pkgs.kubectl
            pkgs.awscli2
            pkgs.postgresql
          ];
        };
      });

      checks = eachSystem (pkgs: {
        package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        format = pkgs.runCommand "format" { nativeBuildInputs = [ pkgs.cargo pkgs.rustfmt ]; } ''
          cd ${source}
          cargo fmt --all --check
          touch $out
        '';
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt-rfc-style);
    };
}
