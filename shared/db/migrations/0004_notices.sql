CREATE TABLE "notice_channels" (
	"tenant_id" text NOT NULL,
	"route" text NOT NULL,
	"name" text NOT NULL,
	"notices" text[] NOT NULL,
	"digest_ms" integer NOT NULL,
	"definition" jsonb NOT NULL,
	CONSTRAINT "notice_channels_tenant_id_route_name_pk" PRIMARY KEY("tenant_id","route","name")
);
--> statement-breakpoint
CREATE TABLE "notices" (
	"event_id" uuid NOT NULL,
	"tenant_id" text NOT NULL,
	"route" text NOT NULL,
	"channel" text NOT NULL,
	"notice" text NOT NULL,
	"body" jsonb NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"delivery_id" uuid,
	"state" text DEFAULT 'PENDING' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_action_at" timestamp(6) with time zone NOT NULL,
	"locked_until" timestamp(6) with time zone,
	"error_cause" text,
	"error_message" text,
	CONSTRAINT "notices_event_id_tenant_id_route_channel_pk" PRIMARY KEY("event_id","tenant_id","route","channel"),
	CONSTRAINT "notices_state" CHECK (state IN ('PENDING', 'PARKED'))
);
--> statement-breakpoint
ALTER TABLE "notice_channels" ADD CONSTRAINT "notice_channels_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "notices_due" ON "notices" USING btree ("next_action_at") WHERE delivery_id = event_id AND state = 'PENDING';--> statement-breakpoint
CREATE INDEX "notices_gathering" ON "notices" USING btree ("tenant_id","route","channel","created_at") WHERE delivery_id IS NULL;--> statement-breakpoint
CREATE INDEX "notices_delivery" ON "notices" USING btree ("delivery_id");