/** A terminal that shows one drawing at a time, in its second buffer: what was on it comes back at the end. */
import process from 'node:process'

const REDRAW_MS = 500
const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const CLEAR_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'

export interface Screen {
  /** Draws once more, then gives the terminal back. */
  close(): void
}

export function openScreen(
  draw: (size: { readonly columns: number; readonly rows: number }) => readonly string[],
): Screen {
  const { stdout } = process
  const redraw = (): void => {
    // A terminal that was never told its size says 0.
    const lines = draw({ columns: stdout.columns || 80, rows: stdout.rows || 24 })
    stdout.write(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}`).join('\n')}${CLEAR_BELOW}`)
  }
  stdout.write(ENTER)
  // Also when the process ends by itself or by process.exit: a terminal without a cursor is nobody's.
  const leave = (): boolean => stdout.write(LEAVE)
  process.once('exit', leave)
  redraw()
  const timer = setInterval(redraw, REDRAW_MS)
  stdout.on('resize', redraw)
  return {
    close() {
      clearInterval(timer)
      stdout.off('resize', redraw)
      process.off('exit', leave)
      leave()
    },
  }
}
