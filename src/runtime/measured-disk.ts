/** A disk that counts what is done to it, for metrics. It changes nothing of what it passes on. */
import type { Clock } from './clock.ts'
import type { Disk, DiskFile } from './disk.ts'
import { Histogram, type HistogramView } from './histogram.ts'

export interface DiskFigures {
  /** How long each datasync took. What is durable has waited for one. */
  readonly syncs: HistogramView
  /** Since the process started; writes that failed included, after which nothing is promised any more. */
  readonly writtenBytes: number
}

/** Counts over every file of every disk it measures. */
export class DiskMeter {
  readonly #clock: Clock
  readonly #syncs = new Histogram()
  #writtenBytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  figures(): DiskFigures {
    return { syncs: this.#syncs.view(), writtenBytes: this.#writtenBytes }
  }

  measured(disk: Disk): Disk {
    return { ...disk, open: async (path, mode) => this.#measuredFile(await disk.open(path, mode)) }
  }

  /** No promise of its own on the way of a write: a lonely message waits for each. */
  #measuredFile(file: DiskFile): DiskFile {
    return {
      write: (bytes, position) => {
        this.#writtenBytes += bytes.length
        return file.write(bytes, position)
      },
      datasync: () => {
        const startedMs = this.#clock.monotonicMs()
        return file.datasync().then(() => this.#syncs.add(this.#clock.monotonicMs() - startedMs))
      },
      read: (target, position) => file.read(target, position),
      readSync: (target, position) => file.readSync(target, position),
      sizeBytes: () => file.sizeBytes(),
      truncate: (bytes) => file.truncate(bytes),
      close: () => file.close(),
    }
  }
}
