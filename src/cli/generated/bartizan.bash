# Made by scripts/make-api from api/cli.toml: change that. Completion of `bartizan` for bash: commands, options, files.
_bartizan() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} options=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "build inspect verify diff measure bundle broker register unregister list show rotate-key expire audit audit-verify token evidence run probe doctor up --help --version" -- "$word")
    return
  fi
  case $command in
    bundle)
      if [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "create inspect" -- "$word")
        return
      fi
      command=bundle-${COMP_WORDS[2]} ;;
    broker)
      if [ "$COMP_CWORD" -eq 2 ] && [ "${word:0:1}" != - ]; then
        mapfile -t COMPREPLY < <(compgen -W "backup restore check" -- "$word")
        return
      fi
      case ${COMP_WORDS[2]} in backup|restore|check) command=broker-${COMP_WORDS[2]} ;; esac ;;
    token)
      if [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "create list revoke" -- "$word")
        return
      fi
      command=token-${COMP_WORDS[2]} ;;
    evidence)
      if [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "verify show" -- "$word")
        return
      fi
      command=evidence-${COMP_WORDS[2]} ;;
  esac
  if [ "${COMP_WORDS[COMP_CWORD-1]}" = --tee ]; then
    mapfile -t COMPREPLY < <(compgen -W "none simulated sev sev-es snp tdx" -- "$word")
    return
  fi
  case $command in
    build) options="--output --reference --output-reference --base-image --base-reference --created --anonymous --id --broker --broker-ca --resource --vcpus --memory --tee --tee-data --tee-config --scratch --host-may --add-file --no-network --key-file --key-from --recovery-file --source-passphrase-file --key-out --sign-with --image-version --register-with --token-file --bundle --allow-simulated --replace --force" ;;
    inspect) options="--reference" ;;
    verify) options="--key-file" ;;
    diff) options="" ;;
    measure) options="--tee --bundle --memory --append-cmdline --guest-features --image --vcpus --vcpu-type --cpu-model --vcpu-sig --c-bit --host-kernel --pages --ovmf --kernel --initrd --append --vmm --ovmf-digest --id-key --author-key --id-block --id-auth --family-id --image-id --guest-svn --policy" ;;
    bundle-create) options="--kernel --modules --init --output --append-cmdline" ;;
    bundle-inspect) options="" ;;
    broker) options="--state --listen --tls-name --sev-root --requests-per-second --request-burst --trusted-proxy --collateral --config --verbose" ;;
    broker-backup) options="--state --output" ;;
    broker-restore) options="--state" ;;
    broker-check) options="--state" ;;
    register) options="--tee --bundle --vcpus --memory --append-cmdline --guest-features --broker --kind --ca --token-file --key-file --measurement --allow-simulated --allow-debug --minimum-tcb --signer --minimum-version --policy --replace --force --admin-key --admin-role --admin-issuer --admin-audience --keep-reference-values --resource-policy --keep-resource-policy --show-policy" ;;
    unregister) options="--broker --ca --token-file" ;;
    list) options="--broker --ca --token-file" ;;
    show) options="--broker --ca --token-file" ;;
    rotate-key) options="--broker --ca --token-file --key-file" ;;
    expire) options="--broker --ca --token-file --at" ;;
    audit) options="--broker --ca --token-file" ;;
    audit-verify) options="--state --head" ;;
    token-create) options="--broker --ca --token-file --scope --expires --output" ;;
    token-list) options="--broker --ca --token-file" ;;
    token-revoke) options="--broker --ca --token-file" ;;
    evidence-verify) options="--kind --policy --at --collateral --certificate" ;;
    evidence-show) options="--kind" ;;
    run) options="--tee --bundle --vcpus --memory --append-cmdline --guest-features --policy --id-block --id-auth --certificates --require-certificates --owner-certificate --session --platform-certificates --quote-service --huge-pages --harden --publish --network --allow --key-file --broker --vsock --vsock-listen --scratch --max-vcpus --max-memory --max-scratch --kvm-device --name --stop-timeout --event-fd --log-guest --verbose --as-container --stats --find-in-memory" ;;
    probe) options="--tee --kvm-device --time-limit --bundle" ;;
    doctor) options="--kvm-device" ;;
    up) options="--reference --publish --bundle --tee --vcpus --memory --state --kvm-device --log-guest --dry-run" ;;
  esac
  if [ "${word:0:1}" = - ]; then
    mapfile -t COMPREPLY < <(compgen -W "$options --json --help" -- "$word")
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}
complete -F _bartizan bartizan
