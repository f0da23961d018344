import { type Port, type RedriveView, redriveChannel } from '../broker/port.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Redrive } from './api.ts'

/** An announcement may be lost while the store changes hands: so often it is looked at all the same, ms. */
const LOOK_EVERY_MS = 1_000

/** A redrive that this process started; others find it by its id. */
export class PortRedrive implements Redrive {
  readonly id: string
  readonly source: string
  readonly #port: Port
  readonly #clock: Clock
  #latest: RedriveView

  constructor(parts: { readonly port: Port; readonly clock: Clock; readonly view: RedriveView }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#latest = parts.view
    this.id = parts.view.id
    this.source = parts.view.source
  }

  async view(): Promise<RedriveView> {
    const views = await this.#port.listRedrives(this.source)
    // One that ended long ago is forgotten; then what was last seen of it stands.
    this.#latest = views.find(({ id }) => id === this.id) ?? this.#latest
    return this.#latest
  }

  async done(): Promise<RedriveView> {
    let wake = (): void => {}
    const endListening = this.#port.listen(
      redriveChannel(this.id),
      () => wake(),
      () => wake(),
    )
    try {
      for (;;) {
        const heard = new Promise<void>((resolve) => {
          wake = resolve
        })
        const view = await this.view()
        if (view.state !== 'running') return view
        const timer = this.#clock.setTimer(LOOK_EVERY_MS, () => wake(), { keepAlive: true })
        await heard
        timer.cancel()
      }
    } finally {
      endListening()
    }
  }

  async cancel(): Promise<RedriveView> {
    this.#latest = (await this.#port.cancelRedrive(this.id)) ?? this.#latest
    return this.#latest
  }
}
