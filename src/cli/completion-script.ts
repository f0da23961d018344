/** Completion scripts for bash, zsh and fish, written from a tree of commands: they say what `--help` says, and nothing else. */
import type { Command } from 'commander'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

interface Node {
  /** `queue declare`; '' is the program. */
  readonly path: string
  readonly commands: readonly { readonly name: string; readonly summary: string }[]
  readonly options: readonly { readonly flag: string; readonly summary: string; readonly takesValue: boolean }[]
}

export function completionScript(program: Command, shell: Shell): string {
  const nodes = nodesOf(program, '')
  switch (shell) {
    case 'bash':
      return bash(program.name(), nodes)
    case 'zsh':
      return zsh(program.name(), nodes)
    case 'fish':
      return fish(program.name(), nodes)
    default:
      return shell satisfies never
  }
}

function nodesOf(command: Command, path: string): Node[] {
  const options = command.options.flatMap(({ long, short, description, required, optional }) =>
    [long, short].flatMap((flag) => (flag ? [{ flag, summary: description, takesValue: required || optional }] : [])),
  )
  const own: Node = {
    path,
    commands: command.commands.map((inner) => ({ name: inner.name(), summary: inner.summary() })),
    options: [...options, { flag: '--help', summary: 'display help', takesValue: false }],
  }
  return [own, ...command.commands.flatMap((inner) => nodesOf(inner, `${path} ${inner.name()}`.trim()))]
}

/** Which command the line is at: words that are no options, as long as they lead down the tree. */
function bash(name: string, nodes: readonly Node[]): string {
  const cases = nodes.map(({ path, commands, options }) => {
    const words = [...commands.map((command) => command.name), ...options.map(({ flag }) => flag)]
    return `    '${path}') words='${words.join(' ')}' ;;`
  })
  const paths = nodes.map(({ path }) => `'${path}'`).join('|')
  return `# bash completion of ${name}
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' word words='' index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "\${path:+$path }$word" in
      ${paths}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ \${#COMPREPLY[@]} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -F _${name} ${name}
`
}

function zsh(name: string, nodes: readonly Node[]): string {
  const cases = nodes.map(({ path, commands, options }) => {
    const words = [
      ...commands.map((command) => `${command.name}:${command.summary}`),
      ...options.map(({ flag, summary }) => `${flag}:${summary}`),
    ]
    return `    ${quoted(path)}) choices=(${words.map((word) => quoted(word)).join(' ')}) ;;`
  })
  const paths = nodes.map(({ path }) => quoted(path)).join('|')
  return `#compdef ${name}
_${name}() {
  local command_path='' word
  local -a choices
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${command_path:+$command_path }$word" in
      ${paths}) command_path="\${command_path:+$command_path }$word" ;;
    esac
  done
  case "$command_path" in
${cases.join('\n')}
  esac
  _describe '${name}' choices || _files
}
# Found in fpath, this file is the function itself at its first call; sourced, it only tells of the function.
if [[ $funcstack[1] == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`
}

function fish(name: string, nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options }) => {
    const here = `-n '__${name}_at ${JSON.stringify(path)}'`
    return [
      ...commands.map(
        (command) => `complete -c ${name} -f ${here} -a ${quoted(command.name)} -d ${fishQuoted(command.summary)}`,
      ),
      ...options.map(({ flag, summary, takesValue }) => {
        const form = flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`
        return `complete -c ${name} ${here} ${form}${takesValue ? ' -r' : ''} -d ${fishQuoted(summary)}`
      }),
    ]
  })
  const paths = nodes.map(({ path }) => `'${path}'`).join(' ')
  return `# fish completion of ${name}
function __${name}_at
  set -l path ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim "$path $word")
    contains -- "$next" ${paths}; and set path $next
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", `\\'`)}'`
}
