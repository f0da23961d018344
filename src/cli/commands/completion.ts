/** `spindle completion SHELL`: a script by which the shell completes commands and options, made from the commands themselves. */
import process from 'node:process'
import { Argument, Command } from 'commander'
import { completionScript, SHELLS, type Shell } from '../completion-script.ts'

const EXAMPLES = `
Examples:
  spindle completion bash > /etc/bash_completion.d/spindle
  spindle completion zsh > "\${fpath[1]}/_spindle"
  spindle completion fish > ~/.config/fish/completions/spindle.fish`

export function completionCommand(): Command {
  const command = new Command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a script by which the shell completes commands and options.')
    .addArgument(new Argument('<shell>', 'for which shell').choices(SHELLS))
    .addHelpText('after', EXAMPLES)
    .action((shell: Shell) => {
      process.stdout.write(completionScript(command.parent as Command, shell))
    })
  return command
}
