/** A bar on a person's terminal, on standard error: a program that reads the output never sees it. */
import process from 'node:process'

const WIDTH = 30
const REDRAW_MS = 100

export interface ProgressBar {
  /** `total` undefined: it is not known, and only the count is shown. */
  show(done: number, total: number | undefined): void
  /** Takes the bar away. */
  end(): void
}

/** `label`: what is done; `'off'` draws nothing, as where there is no terminal. */
export function progressBar(label: string): ProgressBar {
  const { stderr } = process
  if (!stderr.isTTY || label === 'off') return { show() {}, end() {} }
  let drawnMs = Number.NEGATIVE_INFINITY
  let drawn = false
  return {
    show(done, total) {
      const nowMs = performance.now()
      if (nowMs - drawnMs < REDRAW_MS) return
      drawnMs = nowMs
      drawn = true
      stderr.write(`\r${barText({ label, done, total })}\u001b[K`)
    },
    end() {
      if (drawn) stderr.write('\r\u001b[K')
    },
  }
}

export function barText({ label, done, total }: { label: string; done: number; total: number | undefined }): string {
  if (total === undefined || total <= 0) return `${label} ${done}`
  const share = Math.min(1, done / total)
  const full = Math.round(share * WIDTH)
  return `${label} [${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${Math.floor(share * 100)} %`
}
