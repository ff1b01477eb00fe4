/**
 * The completions of shells: those of effect/cli, which have commands and flags, and before them names of peers and functions.
 */
import * as Completions from "effect/cli/Completions"

/** The shells, by the words for them. */
const shells: Readonly<Record<string, Completions.Shell>> = {
  bash: "bash",
  sh: "bash",
  zsh: "zsh",
  fish: "fish",
  powershell: "powershell",
  pwsh: "powershell"
}

// What names are made of is looked at where they are kept; the shells compare and offer them, and expand nothing.
const bash = `
_pnet_names() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" name
  if [[ "$cur" != -* ]]; then
    COMPREPLY=()
    while IFS= read -r name; do
      COMPREPLY+=("$name")
    done < <("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    ((\${#COMPREPLY[@]} > 0)) && return
  fi
  _pnet "$@"
}

complete -F _pnet_names pnet
`

const zsh = `
_pnet() {
  local -a names
  if [[ "\${words[CURRENT]}" != -* ]]; then
    names=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
    names=(\${names:#})
    if (( $#names )); then
      compadd -a names
      return
    fi
  fi
  _pnet_words "$@"
}

`

const fish = `
complete -c pnet -f -n 'not string match -q -- "-*" (commandline -ct)' -a '(pnet __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`

const end = "###-end-pnet-completions-###"

/** Puts something before a part of a script, which has to be there. */
const before = (script: string, part: string, text: string): string => {
  const at = script.lastIndexOf(part)
  if (at < 0) throw new Error(`the completions have no ${part}`)
  return script.slice(0, at) + text + script.slice(at)
}

/** The script for a shell, of the command as it is described; `undefined`: there is no such shell. */
export const script = (shellName: string, descriptor: () => Completions.CommandDescriptor): string | undefined => {
  const shell = Object.hasOwn(shells, shellName) ? shells[shellName]! : undefined
  if (shell === undefined) return undefined
  const text = Completions.generate("pnet", shell, descriptor())
  switch (shell) {
    case "bash":
      return before(text, end, bash)
    case "fish":
      return before(text, end, fish)
    case "zsh":
      // The function of this name is what zsh calls, whether it is loaded from a folder or sourced.
      return before(text.replace("\n_pnet() {", "\n_pnet_words() {"), "# Handle both direct", zsh)
    case "powershell":
      return text
  }
}
