CREATE TABLE "used_once" (
	"digest" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "used_once_expires" ON "used_once" USING btree ("expires_at");