"""What vmrep knows of the manifests that repositories carry."""

from django.db import models
from django.db.models import F, Q

from contexts.constraints import ColumnTypes


class ReplicaManifest(models.Model):
    """The manifest of a VM in a repository where it has, or had, recovery points.

    `version` is given to each content before its file is written, in the order of the contents; it
    is current once `written_version` has caught up, and the VM's and its vCenter's rows are as it
    saw them. So whatever changes them need not know of manifests, and a crash leaves what is
    noticed.
    """

    repository = models.ForeignKey(
        "replication.Repository", on_delete=models.CASCADE, related_name="manifests"
    )
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.CASCADE,
        related_name="manifests",
        verbose_name="VM context",
    )
    version = models.PositiveBigIntegerField(default=0)
    written_version = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(
        max_length=64, blank=True, default="", help_text="Of its content; empty: of no points."
    )
    given_digests = models.TextField(
        blank=True,
        default="",
        help_text="What the files of the latest versions begin with, one a line. Another one in the"
        " repository was written from another database. Empty: not known.",
    )
    seen_at = models.DateTimeField(
        null=True, blank=True, help_text="The VM's `updated_at`, as its content has it."
    )
    vcenter_seen_at = models.DateTimeField(
        null=True, blank=True, help_text="Likewise, the vCenter's.", verbose_name="vCenter seen at"
    )
    written_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(
        blank=True, default="", help_text="Why it could not be written; empty if it could."
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "replica_manifests"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="manifest_column_types"),
            models.UniqueConstraint(
                fields=["repository", "vm_context"], name="manifest_once_per_vm_and_repository"
            ),
            models.CheckConstraint(
                condition=Q(written_version__lte=F("version")), name="manifest_version_was_given"
            ),
        ]

    def __str__(self) -> str:
        return f"manifest of {self.vm_context_id} in repository {self.repository_id}"

    def is_of_this_database(self, digest: str) -> bool:
        """Whether a file that begins with that digest was written by one of this database's
        workers, as far as is known. A file without one is damaged, and is nobody's."""
        return not (digest and self.given_digests) or digest in self.given_digests.split()
