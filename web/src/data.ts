/** Loads what a page shows, and again as things happen: one call at a time, none while nobody looks. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { live } from './live.ts'

export interface Loaded<T> {
  readonly data: T | undefined
  readonly fault: Error | undefined
  readonly reload: () => void
}

/** `key`: loads anew when it changes. `everyMs`: how often it may be loaded again while events come; 0: never by itself. */
export function useData<T>(load: (signal: AbortSignal) => Promise<T>, key: string, everyMs = 700): Loaded<T> {
  const [state, setState] = useState<{ key: string; data?: T; fault?: Error }>({ key: '' })
  const loader = useRef(load)
  loader.current = load
  const again = useRef<() => void>(() => {})
  useEffect(() => {
    const abort = new AbortController()
    let busy = false
    let due = false
    let startedMs = 0
    const run = (): void => {
      if (busy) {
        due = true
        return
      }
      busy = true
      due = false
      startedMs = performance.now()
      loader
        .current(abort.signal)
        .then(
          (data) => {
            if (!abort.signal.aborted) setState({ key, data })
          },
          (fault: Error) => {
            if (!abort.signal.aborted) setState((before) => ({ ...(before.key === key ? before : {}), key, fault }))
          },
        )
        .finally(() => {
          busy = false
          if (due && !abort.signal.aborted) run()
        })
    }
    again.current = run
    run()
    const end = live.listen(() => {
      if (everyMs > 0 && document.visibilityState === 'visible' && performance.now() - startedMs >= everyMs) run()
    })
    return () => {
      abort.abort()
      end()
    }
  }, [key, everyMs])
  const reload = useCallback(() => again.current(), [])
  const current = state.key === key
  return { data: current ? state.data : undefined, fault: current ? state.fault : undefined, reload }
}
