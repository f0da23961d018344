/** NestJS: a global module that owns the store, hands it to providers, mounts the 202 handler and closes with the application. */
import {
  type DynamicModule,
  Global,
  Inject,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type OnApplicationShutdown,
} from '@nestjs/common'
import { type AnyTask, open, type Spindle } from 'spindle-mq'
import { taskHandler, toNodeListener } from 'spindle-mq/http'

/** `@Inject(SPINDLE) private readonly spindle: Spindle` */
export const SPINDLE = Symbol('spindle')
const OPTIONS = Symbol('spindle options')

export interface SpindleModuleOptions {
  /** As for `open`. */
  readonly url: string
  /** Those that requests may start. */
  readonly tasks: readonly AnyTask[]
  /** Default '/tasks'. */
  readonly basePath?: string
}

@Global()
@Module({})
export class SpindleModule implements NestModule, OnApplicationShutdown {
  @Inject(SPINDLE) private readonly spindle!: Spindle
  @Inject(OPTIONS) private readonly options!: SpindleModuleOptions

  static forRoot(options: SpindleModuleOptions): DynamicModule {
    return {
      module: SpindleModule,
      providers: [
        { provide: OPTIONS, useValue: options },
        { provide: SPINDLE, useFactory: () => open(options.url) },
      ],
      exports: [SPINDLE],
    }
  }

  configure(consumer: MiddlewareConsumer): void {
    const { tasks, basePath = '/tasks' } = this.options
    const listener = toNodeListener(taskHandler({ spindle: this.spindle, tasks, basePath }))
    consumer.apply(listener).forRoutes(`${basePath}/*path`)
  }

  async onApplicationShutdown(): Promise<void> {
    await this.spindle.close()
  }
}
