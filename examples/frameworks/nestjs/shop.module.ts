/** An application around it: a provider that enqueues by itself, behind a controller. */
import { Controller, Get, Inject, Injectable, Module } from '@nestjs/common'
import type { Spindle } from 'spindle-mq'
import { invoice } from '../tasks.ts'
import { SPINDLE, SpindleModule } from './spindle.module.ts'

@Injectable()
class Orders {
  @Inject(SPINDLE) private readonly spindle!: Spindle

  async place(order: string): Promise<string> {
    const { id } = await this.spindle.enqueue(invoice, { order, cents: 1_999 })
    return id
  }
}

@Controller('orders')
class OrdersController {
  @Inject(Orders) private readonly orders!: Orders

  @Get('sample')
  async sample(): Promise<{ readonly status: string }> {
    return { status: `/tasks/invoice/${await this.orders.place('sample')}` }
  }
}

@Module({
  imports: [SpindleModule.forRoot({ url: 'memory:', tasks: [invoice] })],
  controllers: [OrdersController],
  providers: [Orders],
})
export class ShopModule {}
